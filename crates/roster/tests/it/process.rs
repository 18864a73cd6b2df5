//! The real binary, over real sockets, while bad things happen.
