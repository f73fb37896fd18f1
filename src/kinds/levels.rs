//! What a permission level lets people do, for each type of object that has permissions. Core reference §12 and §14.

use schemars::JsonSchema;
use serde::Serialize;

/// What somebody can do with an object, from weak to strong; each but `Edit` of a secret scope includes those before it as far
/// as the object knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// See it and what is in it.
    Read,
    /// Run it, attach to it, use it.
    Run,
    /// Change it.
    Edit,
    /// Change it, delete it, and say who else may.
    Manage,
}

impl Capability {
    /// All, from weak to strong.
    pub const ALL: [Self; 4] = [Self::Read, Self::Run, Self::Edit, Self::Manage];

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Run => "run",
            Self::Edit => "edit",
            Self::Manage => "manage",
        }
    }
}

/// A level that can be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// As the API writes it.
    pub name: &'static str,
    /// All that it lets people do.
    pub can: &'static [Capability],
}

use Capability::{Edit, Manage, Read, Run};

const ALL: &[Capability] = &[Read, Run, Edit, Manage];

const TREE: &[Level] = &[
    Level { name: "CAN_READ", can: &[Read] },
    Level { name: "CAN_RUN", can: &[Read, Run] },
    Level { name: "CAN_EDIT", can: &[Read, Run, Edit] },
    Level { name: "CAN_MANAGE", can: ALL },
];

/// The levels of objects of a kind, from weak to strong; none for kinds that have no permissions.
///
/// Of a warehouse, `CAN_USE` is no more than `CAN_MONITOR` in everything, and yet stands behind it (core reference §14).
pub fn levels(kind: &str) -> &'static [Level] {
    match kind {
        "notebook" | "file" | "directory" | "repo" | "dashboard" | "query" | "alert" => TREE,
        "cluster" => &[
            Level { name: "CAN_ATTACH_TO", can: &[Read, Run] },
            Level { name: "CAN_RESTART", can: &[Read, Run] },
            Level { name: "CAN_MANAGE", can: ALL },
        ],
        "instance_pool" => &[Level { name: "CAN_ATTACH_TO", can: &[Read, Run] }, Level { name: "CAN_MANAGE", can: ALL }],
        "cluster_policy" | "instance_profile" => {
            &[Level { name: "CAN_USE", can: &[Read, Run] }, Level { name: "CAN_MANAGE", can: ALL }]
        }
        "job" => &[
            Level { name: "CAN_VIEW", can: &[Read] },
            Level { name: "CAN_MANAGE_RUN", can: &[Read, Run] },
            Level { name: "CAN_MANAGE", can: ALL },
            Level { name: "IS_OWNER", can: ALL },
        ],
        "pipeline" => &[
            Level { name: "CAN_VIEW", can: &[Read] },
            Level { name: "CAN_RUN", can: &[Read, Run] },
            Level { name: "CAN_MANAGE", can: ALL },
            Level { name: "IS_OWNER", can: ALL },
        ],
        "warehouse" => &[
            Level { name: "CAN_VIEW", can: &[Read] },
            Level { name: "CAN_MONITOR", can: &[Read, Run] },
            Level { name: "CAN_USE", can: &[Read, Run] },
            Level { name: "CAN_MANAGE", can: ALL },
            Level { name: "IS_OWNER", can: ALL },
        ],
        "secret_scope" => &[
            Level { name: "READ", can: &[Read] },
            Level { name: "WRITE", can: &[Read, Edit] },
            Level { name: "MANAGE", can: &[Read, Edit, Manage] },
        ],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;

    #[test]
    fn every_kind_with_permissions_has_levels() {
        for kind in kinds::all().iter().filter(|kind| kind.permissions.is_some()) {
            assert!(!levels(kind.name).is_empty(), "{}", kind.name);
        }
    }

    #[test]
    fn a_stronger_level_takes_nothing_away() {
        for kind in kinds::all() {
            for pair in levels(kind.name).windows(2) {
                assert!(pair[0].can.iter().all(|one| pair[1].can.contains(one)), "{}: {pair:?}", kind.name);
            }
            assert!(levels(kind.name).last().is_none_or(|strongest| strongest.can.contains(&Manage)), "{}", kind.name);
        }
    }
}
