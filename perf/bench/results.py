# SPDX-License-Identifier: MIT
"""The file of a run: all that was measured, as JSON, written whenever there is more of it."""

import json
import os
import time


class Results:
    """A run's values by block, and its file, which holds what was kept if the run is cut short."""

    def __init__(self, folder, machine):
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / time.strftime("bench-%Y%m%d-%H%M%S.json")
        self.values = {"machine": machine}

    def keep(self, name, value):
        self.values[name] = value
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(self.values, indent=1) + "\n")
        os.replace(part, self.file)


def results_read(files):
    """Several files as one run: a block is the last file's that has it, the machine the first's."""
    results = {}
    for file in files:
        values = json.loads(file.read_text())
        machine = results.get("machine", values["machine"])
        results |= {name: value for name, value in values.items() if value}
        results["machine"] = machine
    return results
