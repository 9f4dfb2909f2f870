from tests.contract.conftest import gcache, new_gcache, stack

__all__ = ["gcache", "new_gcache", "stack"]
