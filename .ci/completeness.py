"""Fails if fewer than a given percentage of jaxmlp's public names have complete types: `completeness.py 95`."""

import json
import subprocess
import sys

command = ["pyright", "--verifytypes", "jaxmlp", "--ignoreexternal", "--outputjson"]
report = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)["typeCompleteness"]
complete, wanted = 100 * report["completenessScore"], float(sys.argv[1])
if complete < wanted:
    for symbol in report["symbols"]:
        for problem in symbol["diagnostics"]:
            print(f"{symbol['name']}: {problem['message'].splitlines()[0]}")
print(f"{complete:.1f} % of the public names have complete types; at least {wanted:g} % must have")
sys.exit(complete < wanted)
