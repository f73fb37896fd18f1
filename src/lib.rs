//! Lifeboat: a sealed, checksummed, versioned copy of a Databricks workspace, and its restore into any other.
//!
//! ```text
//!  workspace API ── api ──▶ survey ──▶ export ──▶ bundle::Writer ──▶ disk
//!                             │                                       │
//!                             │                    bundle::Reader ◀───┘
//!                             │                      │          │
//!                             │     verify list ◀── audit       └─▶ rules ──▶ plan ──▶ import ──▶ api ──▶ workspace API
//!                             └──── inventory of the target ─────────────────▶┘ (pure)  └──▶ journal
//! ```
//!
//! | module | is |
//! |---|---|
//! | [`kinds`] | every kind of workspace object, as data |
//! | [`mod@pointer`] | paths into JSON with `*`, and JSON inside strings |
//! | [`redact`] | blanks secrets, by their place, name or shape |
//! | [`tokens`] | credentials, known by their shape |
//! | [`object`] | one thing of one kind; which things are asked for |
//! | [`notebook`] | notebooks by their cells, in both forms |
//! | [`packed`] | JSON as compact text, for what is kept by the hundred thousand |
//! | [`crypt`] | encrypts whole bundles, and reads them in ranges |
//! | [`origin`] | who made a bundle: keys and signatures |
//! | [`spool`] | bodies on disk while a bundle is made, so that memory stays flat |
//! | [`values`] | values of secrets: where they come from, and their form in a bundle |
//! | [`event`] | all that the library says while it works |
//! | [`api`] | one workspace over HTTP: authentication, retries, pacing, pages, errors |
//! | [`store`] | bytes at a place, on disk or behind a network: whole under a free name, or not at all |
//! | [`survey`] | reads a workspace into objects, for an export and for the inventory of a target |
//! | [`bundle`] | the format: one way in, one way out |
//! | [`export`] | workspace to bundle |
//! | [`audit`] | questions about a bundle, never the network |
//! | [`backup`] | the configured nightly run: what to do, and what came of it |
//! | [`retention`] | which bundles to keep: pure |
//! | [`catalogue`] | which bundles a place holds |
//! | [`rules`] | sanitizing: which changes make an object safe to restore |
//! | [`plan`] | bundle and inventory to a plan: pure |
//! | [`import`] | carries out a plan, and reads back what it wrote |
//! | [`leaks`] | what of the source still stands in what is written |
//! | [`calm`] | texts of others, written so that they steer nothing |
//! | [`page`] | pages for people: one file each, nothing from elsewhere, every name is text |
//! | [`mod@receipt`] | the sealed record of an import, and its page for people |
//! | [`report`] | a bundle as one page for people |
//! | [`restore`] | the road of a restore: bundle, inventory, plan |
//! | [`preflight`] | would this bundle restore here? findings before anything is written |
//! | [`risk`] | what could go wrong with a workspace as a bundle shows it: pure
//! | [`memory`] | what was written to each object last |
//! | [`journal`] | what was intended and what came of it |
//! | [`berth`] | what imports keep in a target: who may import now, and a copy of the id map |
//! | [`simulator`] | an embedded workspace that speaks the REST API |
//! | [`yaml`] | files that people write, read strictly |
//! | [`compare`] | two workspaces, object by object: the check of a restore |
//! | [`mod@diff`] | what changed between two nights, or between a workspace and its standby |
//! | [`relations`] | what refers to what among the objects of one set: pure |
//! | [`brief`] | what people look for first in an object, by kind |
//! | [`access`] | who can do what: effective access, and what of it was gained or lost: pure |
//! | [`graph`] | what needs what: walks through relations, and their pictures: pure |
//! | [`drill`] | export, verify, import and compare, on embedded workspaces |
//!
//! Invariants: the bundle holds what the API said, less secrets, but for values that a person named a source for, and those
//! in encrypted bundles alone; every listed object ends in exactly one state; a restore
//! is inert; deciding ([`plan`]) and doing ([`import`]) are apart; a create is never repeated blindly; only
//! sanitized objects can be sent; the library never prints and never exits.
//!
//! `survey` stands apart from `export`, because an import and a diff must read a workspace too, and neither may know how a
//! bundle is written.

pub mod access;
pub mod api;
pub mod audit;
pub mod backup;
pub mod berth;
pub mod brief;
pub mod bundle;
pub mod calm;
pub mod catalogue;
pub mod compare;
pub mod crypt;
pub mod diff;
pub mod drill;
pub mod event;
pub mod export;
pub mod graph;
pub mod import;
pub mod journal;
pub mod kinds;
pub mod leaks;
pub mod memory;
pub mod notebook;
pub mod object;
pub mod origin;
pub mod packed;
pub mod page;
pub mod plan;
pub mod pointer;
pub mod preflight;
pub mod receipt;
pub mod redact;
pub mod relations;
pub mod report;
pub mod restore;
pub mod retention;
pub mod risk;
pub mod rules;
pub mod simulator;
pub mod spool;
pub mod store;
pub mod survey;
pub mod tokens;
pub mod values;
pub mod yaml;
