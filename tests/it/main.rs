//! One test program for everything that is larger than a module.

<<<<<<< HEAD
mod simulator;
mod survey;
=======
mod forge;
mod hostile;
>>>>>>> bundle
mod writer;
