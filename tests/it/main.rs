//! One test program for everything that is larger than a module.

mod forge;
mod hostile;
mod layers;
mod simulator;
mod survey;
mod writer;
