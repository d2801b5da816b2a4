from tests.e2e.conftest import box

__all__ = ["box"]
