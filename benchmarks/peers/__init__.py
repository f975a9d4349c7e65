"""What others' tools make of the same networks under the same budgets; none of them is needed by
tenfold."""
