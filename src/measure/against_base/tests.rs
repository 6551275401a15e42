//! Really trained updates next to the weights that they change, against numpy.
