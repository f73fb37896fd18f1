//! Where objects lie when they are taken out: as the bundle has them, or in a tree that people recognise.
//!
//! Whatever an object is called, its file has a name that every system takes (no `..`, no device of Windows, no trailing dot, nothing too
//! long, nothing that steers a terminal), and no two are one file where case or composition does not count.

use crate::bundle::{MemberLine, Taken, check_name, encode_component, hex};
use crate::calm;
use crate::kinds::{self, Shape, Tree};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// In which tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// `Workspace/Users/…/load.py`, `job/nightly.json`: paths as in the workspace, and names instead of ids.
    #[default]
    Tree,
    /// `notebook/Users/…/load.notebook.py`, `job/123.json`: as in the bundle.
    Archive,
}

/// Where an object goes.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    pub member: &'a MemberLine,
    /// Below the folder, with slashes.
    pub file: String,
    /// Whether the file is called otherwise than the object.
    pub is_renamed: bool,
    /// Whether the object is a folder, and nothing else.
    pub is_folder: bool,
}

/// The folder under which the bundle's grammar of names is asked about ours.
const GRAMMAR: &str = "data/x/";

/// Longest name of a file or folder in bytes, with room for a mark behind it.
const LONGEST: usize = 200;

/// The place of each object. The same objects lie in the same places, in whatever order they come.
pub(super) fn places<'a>(members: &[&'a MemberLine], layout: Layout) -> Vec<Place<'a>> {
    if layout == Layout::Archive {
        return members.iter().map(|member| archived(member)).collect();
    }
    let mut members = members.to_vec();
    members.sort_unstable_by(|a, b| (&a.path, &a.kind).cmp(&(&b.path, &b.kind)));
    let wanted: Vec<Wanted> = members.iter().map(|member| Wanted::of(member)).collect();
    let mut taken = Taken::default();
    wanted.iter().filter(|one| one.is_folder).for_each(|one| taken.reserve_folders(&format!("{}/x", one.file())));
    wanted.iter().for_each(|one| taken.reserve_folders(&one.file()));
    members.into_iter().zip(wanted).map(|(member, wanted)| wanted.settle(member, &mut taken)).collect()
}

fn archived(member: &MemberLine) -> Place<'_> {
    let file = member.name.strip_prefix("data/").unwrap_or(&member.name).to_owned();
    let (_, natural) = file.split_once('/').unwrap_or(("", &file));
    let is_renamed = !natural.starts_with(member.path.trim_start_matches('/'));
    Place { member, file, is_renamed, is_folder: false }
}

/// Where an object would lie if every name could be a file's.
#[derive(Debug)]
struct Wanted {
    /// Folders and name, safe each.
    parts: Vec<String>,
    /// What stands behind the name: `.py`, `.json`.
    extension: String,
    /// Whether a part is not what it is called.
    is_renamed: bool,
    is_folder: bool,
    /// What tells it apart from another of the same name.
    mark: String,
}

impl Wanted {
    fn of(member: &MemberLine) -> Self {
        let kind = kinds::by_name(&member.kind);
        let (path, key) = (&*member.path, member.key.as_deref().unwrap_or(&member.path));
        let tree = kind.and_then(|kind| if let Shape::Tree(tree) = kind.shape { Some(tree) } else { None });
        match tree {
            Some(Tree::Notebook) => Self::at("Workspace", path, &format!(".{}", extension(&member.name)), "notebook"),
            Some(Tree::File) => Self::at("Workspace", path, "", "file"),
            Some(Tree::Directory) => Self { is_folder: true, ..Self::at("Workspace", path, "", "folder") },
            Some(Tree::Repo) => Self::at("Workspace", path, ".repo.json", "repo"),
            Some(Tree::Dbfs) => Self::at("DBFS", path, "", "file"),
            Some(Tree::Volume) => Self::at("", path, "", "file"),
            Some(_) => Self::at("Workspace", path, ".object.json", &member.kind),
            None if &*member.kind == "permissions" => Self::of_permissions(path, key),
            None if path == key => Self::at(&member.kind, path, ".json", &member.kind),
            None => Self::new(&[&*member.kind], &[key], ".json", path),
        }
    }

    /// `job:nightly` lies at `permissions/job/nightly.json`, beside those of other kinds.
    fn of_permissions(path: &str, key: &str) -> Self {
        let id = path.rsplit('/').next().unwrap_or(path);
        match key.split_once(':') {
            Some((kind, name)) if name.starts_with('/') => Self::at(&format!("permissions/{kind}"), name, ".json", id),
            Some((kind, name)) => Self::new(&["permissions", kind], &[name], ".json", id),
            None => Self::at("permissions", path, ".json", id),
        }
    }

    /// At a path, of which each part is a folder or the name.
    fn at(below: &str, path: &str, extension: &str, mark: &str) -> Self {
        let below: Vec<&str> = below.split('/').filter(|part| !part.is_empty()).collect();
        let names: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        Self::new(&below, &names, extension, mark)
    }

    fn new(below: &[&str], names: &[&str], extension: &str, mark: &str) -> Self {
        let mut parts: Vec<String> = below.iter().map(|part| safe(part)).collect();
        let is_root = names == [""];
        let names: &[&str] = if is_root { &[] } else { names };
        let mut is_renamed = false;
        for (index, name) in names.iter().enumerate() {
            let is_last = index + 1 == names.len();
            // An extension may make a device of a name, or save it from ending in a dot.
            let whole = if is_last { format!("{name}{extension}") } else { (*name).to_owned() };
            let part = safe(&whole);
            is_renamed |= part != whole;
            parts.push(if is_last { part.strip_suffix(extension).unwrap_or(&part).to_owned() } else { part });
        }
        Self { parts, extension: extension.to_owned(), is_renamed, is_folder: false, mark: mark.to_owned() }
    }

    fn file(&self) -> String {
        format!("{GRAMMAR}{}{}", self.parts.join("/"), self.extension)
    }

    /// The first free name: its own, one with a mark, one with a digest.
    fn settle<'a>(mut self, member: &'a MemberLine, taken: &mut Taken) -> Place<'a> {
        let extension = std::mem::take(&mut self.extension);
        let name = self.parts.pop().unwrap_or_default();
        let (stem, rest) = match name.rsplit_once('.') {
            Some((stem, rest)) if extension.is_empty() && !stem.is_empty() && !self.is_folder => (stem, format!(".{rest}")),
            _ => (name.as_str(), extension.clone()),
        };
        let digest = hex(&Sha256::digest(format!("{}\0{}", member.kind, member.path).as_bytes()));
        let folder = self.parts.iter().fold(String::new(), |folder, part| format!("{folder}{part}/"));
        let names = [
            format!("{folder}{stem}{rest}"),
            format!("{folder}{}{rest}", safe(&format!("{} ({})", shortened(stem, 120), shortened(&self.mark, 60)))),
            format!("{folder}{}~{}{rest}", shortened(stem, 120), &digest[..16]),
            format!("{}/~{digest}{rest}", safe(&member.kind)),
        ];
        let is_free = |name: &String, taken: &mut Taken| {
            let whole = format!("{GRAMMAR}{name}");
            check_name(&whole, "x").is_ok() && (self.is_folder || taken.take(&whole))
        };
        let found = names.iter().position(|name| is_free(name, taken)).unwrap_or(names.len() - 1);
        let file = names[found].clone();
        Place { member, file, is_renamed: self.is_renamed || found > 0, is_folder: self.is_folder }
    }
}

/// The part of the archive's name behind its last dot.
fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("txt", |(_, extension)| extension)
}

/// A name that every system takes, and that steers no terminal that lists it.
fn safe(name: &str) -> String {
    let encoded = calm::with(&encode_component(name), percent).replace('/', "%2F");
    if encoded.len() <= LONGEST {
        return encoded;
    }
    let digest = hex(&Sha256::digest(name.as_bytes()));
    let extension = encoded.rsplit_once('.').map_or("", |(_, extension)| extension);
    let is_short = (1..=16).contains(&extension.len()) && extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let extension = if is_short { format!(".{extension}") } else { String::new() };
    format!("{}~{}{extension}", shortened(&encoded, 120), &digest[..16])
}

fn percent(out: &mut String, c: char) {
    c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| {
        let _ = write!(out, "%{byte:02X}");
    });
}

/// At most so many bytes of a name, without half an escape at its end.
fn shortened(name: &str, most: usize) -> &str {
    let mut end = most.min(name.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let cut = &name[..end];
    let cut = cut.rfind('%').filter(|at| end < name.len() && at + 3 > cut.len()).map_or(cut, |at| &cut[..at]);
    if cut.len() < name.len() { cut.trim_end_matches(['.', ' ']) } else { cut }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(below: &str, path: &str, extension: &str) -> String {
        let wanted = Wanted::at(below, path, extension, "file");
        let file = wanted.file();
        assert_eq!(check_name(&file, "x"), Ok(()), "{path:?} became {file:?}");
        file[GRAMMAR.len()..].to_owned()
    }

    #[test]
    fn names_are_those_of_the_workspace_where_a_system_takes_them() {
        for (path, file) in [
            ("/Users/a@b.c/etl", "Workspace/Users/a@b.c/etl.py"),
            ("/Shared/12:30 run", "Workspace/Shared/12%3A30 run.py"),
            ("/Shared/aux", "Workspace/Shared/%61ux.py"),
            ("/Shared/x./y ", "Workspace/Shared/x%2E/y .py"),
            ("/Shared/a\u{202e}b\u{9b}", "Workspace/Shared/a%E2%80%AEb%C2%9B.py"),
        ] {
            assert_eq!(wanted("Workspace", path, ".py"), file);
        }
        assert_eq!(wanted("", "/Volumes/a/b", ""), "Volumes/a/b");
    }

    #[test]
    fn long_names_become_short_ones_that_differ() {
        let long = |end: &str| wanted("Workspace", &format!("/{}{end}", "é:".repeat(300)), ".py");
        assert!(long("a").len() < 230 && long("a") != long("b") && extension(&long("a")) == "py");
        assert_eq!(shortened("abc%2", 4), "abc");
        assert_eq!(shortened("abc%20", 6), "abc%20");
        assert_eq!(shortened("a. b", 3), "a");
    }
}
