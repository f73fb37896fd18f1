//! Who made an object, who owns it and as whom it runs, where its document says so by name.
//!
//! A service principal stands there by its application id, as everywhere (reference "more" §1.2). What a restore does with such
//! a field, its class says; these are for whoever asks who is behind an object.

/// What somebody is to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It is theirs.
    Owner,
    /// They made it; of a cluster, this is the owner (core reference §5, change-owner).
    Creator,
    /// It acts in their name.
    RunsAs,
}

/// Pointers in a document of this kind that name somebody, with what they are to it.
pub fn people(kind: &str) -> &'static [(&'static str, Role)] {
    match kind {
        "job" | "pipeline" => &[("/creator_user_name", Role::Creator), ("/run_as_user_name", Role::RunsAs)],
        "cluster" | "cluster_policy" => &[("/creator_user_name", Role::Creator)],
        "global_init_script" => &[("/created_by", Role::Creator)],
        "warehouse" => &[("/creator_name", Role::Creator)],
        "query" | "alert" => &[("/owner_user_name", Role::Owner)],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_stand_in_documents_of_known_kinds() {
        let named = super::super::all().iter().filter(|kind| !people(kind.name).is_empty());
        assert_eq!(named.count(), 8);
    }
}
