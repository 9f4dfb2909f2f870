"""The suite for layers."""

from __future__ import annotations

from gcache.conformance._authority import Authority
from gcache.conformance._expiry import Expiry
from gcache.conformance._faults import Faults
from gcache.conformance._lifecycle import Bounds, Lifecycle
from gcache.conformance._model import Model
from gcache.conformance._retiring import Retiring
from gcache.conformance._values import Values
from gcache.conformance._writing import Adding, Removing


class CacheLayerSuite(
    Values, Expiry, Adding, Removing, Retiring, Lifecycle, Bounds, Model, Authority, Faults
):
    """All that a layer promises. Give it the fixture `make_layer`, and declare what the layer can do.

    `make_layer` is a function without arguments that opens the layer anew over the storage of this test, as
    another process would. The suite calls it as often as it likes, in forked children too, and closes
    what it got. Every test has keys of its own, so that a storage may outlive a test.
    """
