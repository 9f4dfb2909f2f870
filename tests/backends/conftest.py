from tests.contract.conftest import new_gcache, stack

__all__ = ["new_gcache", "stack"]
