//! What leaves the house, tried against whoever may be outside.

mod gateway;
mod outbound;
mod signature;
