# SPDX-License-Identifier: MIT
"""The file of a run: all that was measured, as JSON, written whenever there is more of it."""

import json
import os
import sys
import time

from process import BenchError, measuring


class Results:
    """A run's values by block, and its file, which holds what was kept if the run is cut short."""

    def __init__(self, folder, machine):
        self.file = folder / time.strftime("bench-%Y%m%d-%H%M%S.json")
        self.values = {"machine": machine}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._write()
        except OSError as error:
            raise BenchError(f"the results cannot be written: {error}") from None

    def keep(self, name, value):
        """Says whether it is in the file. If not, because the disk is full, say, it is with the
        next that is kept: an hour's measuring does not end for that."""
        self.values[name] = value
        try:
            self._write()
        except OSError as error:
            print(f"\nthe results cannot be written: {error}", file=sys.stderr, flush=True)
            return False
        return True

    def _write(self):
        part = self.file.with_suffix(".part")
        try:
            part.write_text(json.dumps(self.values, indent=1) + "\n")
            os.replace(part, self.file)
        except OSError:
            part.unlink(missing_ok=True)
            raise


def results_read(files):
    """Several files as one run: a block is the last file's that has it, the machine the first's."""
    results = {}
    for file in files:
        with measuring():
            values = json.loads(file.read_text())
        machine = results.get("machine", values["machine"])
        results |= {name: value for name, value in values.items() if value}
        results["machine"] = machine
    return results
