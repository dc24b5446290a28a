"""Runs test modules of this directory and prints one line `ochre-tally {...}` that `cargo xtask test` reads."""
import json
import sys
import unittest


class Result(unittest.TextTestResult):
    """Counts tests, not subtests: a test with a failed subtest has failed once."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.passed = []

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed.append(test.id())


def reason(text):
    return (text.strip().splitlines() or ["no reason given"])[-1][:500]


def main():
    suite = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromName(name) for name in sys.argv[1:])
    result = unittest.TextTestRunner(stream=sys.stdout, resultclass=Result, verbosity=2).run(suite)
    failed = {}
    for test, text in result.failures + result.errors:
        # A subtest's id is its test's id and its parameters.
        failed.setdefault(test.id().split(" ")[0], reason(text))
    for test in result.unexpectedSuccesses:
        failed.setdefault(test.id(), "passed, and was expected to fail")
    passed = [name for name in result.passed if name not in failed]
    skipped = [[test.id(), why] for test, why in result.skipped]
    print("ochre-tally " + json.dumps({"passed": len(passed), "failed": sorted(failed.items()), "skipped": skipped}))


main()
