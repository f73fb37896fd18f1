//! What else a question may need of a bundle: the bytes of some objects, one after the other, and what is not in it.

use crate::bundle::{MemberLine, ReadError, Reader};
use crate::object::Absent;

/// Bytes above this length are no notebook and no script (core reference §2, size limits), and are passed by.
const LONGEST: u64 = 128 << 20;

/// Gives the bytes of each member that is wanted, in the order of the file: a frame is read and decompressed once, and none where
/// nothing in it is wanted. None is kept.
pub fn texts(
    reader: &Reader,
    wanted: &dyn Fn(&MemberLine) -> bool,
    act: &mut dyn FnMut(&MemberLine, &[u8]),
) -> Result<(), ReadError> {
    let mut buffer = Vec::new();
    for member in reader.manifest().in_place_order().filter(|member| member.size <= LONGEST && wanted(member)) {
        buffer.clear();
        reader.copy(member, &mut buffer)?;
        act(member, &buffer);
    }
    Ok(())
}

/// What listings showed and the bundle does not hold.
pub fn absent(reader: &Reader) -> Vec<Absent> {
    let gaps = reader.manifest().gaps.iter();
    gaps.map(|gap| Absent {
        kind: gap.kind.clone(),
        path: gap.path.clone(),
        state: gap.state.as_str().to_owned(),
        reason: gap.reason.clone(),
    })
    .collect()
}
