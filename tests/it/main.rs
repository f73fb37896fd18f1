//! One test program for everything that is larger than a module.

mod simulator;
mod survey;
mod writer;
