//! One test program for everything that is larger than a module.

mod activate;
mod again;
mod api;
mod apply;
mod audit;
mod bad_bundle;
mod bad_server;
mod cli;
mod damage;
mod docs;
mod forge;
mod fuzz;
mod golden;
mod hostile;
mod import;
mod kills;
mod layers;
mod lies;
mod process;
mod readme;
mod receipts;
mod rules;
mod scale;
mod simulator;
mod survey;
mod writer;
