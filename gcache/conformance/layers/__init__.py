"""The suite for layers."""

from __future__ import annotations

from gcache.conformance.layers.authority import Authority
from gcache.conformance.layers.bounds import Bounds
from gcache.conformance.layers.bulk_adding import BulkAdding
from gcache.conformance.layers.expiry import Expiry
from gcache.conformance.layers.faults import Faults
from gcache.conformance.layers.lifecycle import Lifecycle
from gcache.conformance.layers.model import Model
from gcache.conformance.layers.retiring import Retiring
from gcache.conformance.layers.values import Values
from gcache.conformance.layers.writing import Adding, Removing


class CacheLayerSuite(
    Values, Expiry, Adding, BulkAdding, Removing, Retiring, Lifecycle, Bounds, Model, Authority, Faults
):
    """All that a layer promises. Give it the fixture `make_layer`, and declare what the layer can do.

    `make_layer` is a function without arguments that opens the layer anew over the storage of this test, as
    another process would. The suite calls it as often as it likes, in forked children too, and closes
    what it got. Every test has keys of its own, so that a storage may outlive a test. Give those layers
    timeouts of several seconds, as a busy machine may stand still for one; those of `make_layer_at` have
    the timeouts that `deadline_sec` is about.
    """
