"""One file a piece of work: read, compute, write, visibly in this order; rooms decide, ports touch the world."""
