//! (being built)

use super::world::World;

pub(super) fn add_defaults(_world: &mut World) {}
