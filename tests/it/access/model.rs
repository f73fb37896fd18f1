//! Who can do what, in the most naive way: facts, and rules applied until nothing new follows. Knows nothing of the product.

use std::collections::BTreeSet;

/// What there is, by names.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    /// Users and service principals.
    pub people: Vec<String>,
    pub groups: Vec<String>,
    /// Member, group.
    pub members: Vec<(String, String)>,
    /// Objects, and the folder that each lies in.
    pub objects: Vec<(String, Option<String>)>,
    /// Principal, object, strength from 1 to 5.
    pub grants: Vec<(String, String, u8)>,
    /// Strength of "may do everything" on an object.
    pub everything: Vec<(String, u8)>,
}

/// Every fact (principal, object, strength) that follows.
pub(super) fn follows(world: &World) -> BTreeSet<(String, String, u8)> {
    let mut member: BTreeSet<(String, String)> = world.members.iter().cloned().collect();
    for person in &world.people {
        member.insert((person.clone(), "users".to_owned()));
        member.insert((person.clone(), "account users".to_owned()));
    }
    until_nothing_new(&mut member, |known| {
        let pairs =
            known.iter().flat_map(|(a, b)| known.iter().filter(move |(c, _)| b == c).map(move |(_, d)| (a.clone(), d.clone())));
        pairs.collect()
    });
    let mut may: BTreeSet<(String, String, u8)> = world.grants.iter().cloned().collect();
    for (object, strength) in &world.everything {
        may.insert(("admins".to_owned(), object.clone(), *strength));
    }
    until_nothing_new(&mut may, |known| {
        let mut new = Vec::new();
        for (who, on, strength) in known {
            for (object, folder) in &world.objects {
                if folder.as_ref() == Some(on) {
                    new.push((who.clone(), object.clone(), *strength));
                }
            }
            for (one, group) in &member {
                if group == who {
                    new.push((one.clone(), on.clone(), *strength));
                }
            }
        }
        new
    });
    may
}

fn until_nothing_new<T: Ord>(known: &mut BTreeSet<T>, rule: impl Fn(&BTreeSet<T>) -> Vec<T>) {
    loop {
        let before = known.len();
        let new = rule(known);
        known.extend(new);
        if known.len() == before {
            return;
        }
    }
}
