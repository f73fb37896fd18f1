//! Where the bytes are: a squarified treemap (Bruls, Huizing, van Wijk 2000), and the same as a table.

use super::html::{Html, count, size, thousands};
use super::names::Names;
use super::{Facts, title_of};
use crate::page::escaped;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

/// Parts that are drawn; all else is one.
const PARTS: usize = 40;
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 420.0;

/// A part of the bundle.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    name: String,
    kind: String,
    bytes: u64,
    objects: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Rect {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

pub(super) fn write(facts: &Facts<'_>, _: &Names<'_>, html: &mut Html<'_>) -> io::Result<()> {
    let parts = parts(facts);
    if parts.is_empty() {
        return html.paragraph("The bundle holds no bytes.");
    }
    let mut kinds: Vec<&str> = Vec::new();
    for part in &parts {
        if !kinds.contains(&part.kind.as_str()) {
            kinds.push(&part.kind);
        }
    }
    let class = |kind: &str| kinds.iter().position(|known| *known == kind).map_or(7, |at| at.min(7));
    let all: u64 = parts.iter().map(|part| part.bytes).sum();
    let mut svg = format!(
        "<figure><div class=\"scrolled\" tabindex=\"0\" role=\"group\" aria-label=\"treemap\"><svg width=\"{WIDTH}\" height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"tm-t tm-d\">\
         <title id=\"tm-t\">Sizes of the parts of the bundle</title><desc id=\"tm-d\">{} in {}; the table below has the same in words.</desc>\n",
        size(all),
        count(parts.len(), "part")
    );
    for (part, rect) in parts.iter().zip(squarified(&parts)) {
        draw(part, rect, class(&part.kind), &mut svg);
    }
    html.raw(&svg)?;
    html.raw("</svg></div>\n<figcaption>Areas are bytes before compression, by kind, and by folder for what has a path.</figcaption></figure>\n")?;
    html.raw("<details><summary>The same as a table</summary>\n")?;
    let row =
        |part: &Part| vec![part.name.clone(), title_of(&part.kind).to_owned(), thousands(part.objects as u64), size(part.bytes)];
    html.table("Parts of the bundle by size", &["part", "kind", "#objects", "#size"], parts.iter().map(row))?;
    html.raw("</details>\n")
}

fn draw(part: &Part, Rect { x, y, width, height }: Rect, class: usize, svg: &mut String) {
    let told = format!("{}: {}, {}, {}", title_of(&part.kind), part.name, size(part.bytes), count(part.objects, "object"));
    let _ = writeln!(
        svg,
        "<g><title>{}</title><rect class=\"cell k{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>",
        escaped(&told)
    );
    let room = |height_of: f64| (height >= height_of).then(|| fitting(width));
    if let Some(letters) = room(22.0).filter(|letters| *letters >= 5) {
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>", x + 7.0, y + 17.0, escaped(&cut(&part.name, letters)));
    }
    if let Some(letters) = room(40.0).filter(|letters| *letters >= 9) {
        let _ = writeln!(
            svg,
            "<text class=\"soft small\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x + 7.0,
            y + 33.0,
            escaped(&cut(&size(part.bytes), letters))
        );
    }
    svg.push_str("</g>\n");
}

/// Letters that fit into a width, at seven pixels each.
fn fitting(width: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a width of a picture is small and positive")]
    let letters = ((width - 12.0).max(0.0) / 7.0) as usize;
    letters
}

fn cut(name: &str, letters: usize) -> String {
    if name.chars().count() <= letters {
        name.to_owned()
    } else {
        name.chars().take(letters.saturating_sub(1)).chain("…".chars()).collect()
    }
}

/// By kind, and by the first two folders for what has a path; the largest first, and the small ones together.
fn parts(facts: &Facts<'_>) -> Vec<Part> {
    let mut found: BTreeMap<(&str, &str), (u64, usize)> = BTreeMap::new();
    for member in &facts.reader.manifest().members {
        let name = if member.path.starts_with('/') { folder(&member.path) } else { "" };
        let part = found.entry((&member.kind, name)).or_default();
        *part = (part.0 + member.size, part.1 + 1);
    }
    let part = |((kind, name), (bytes, objects)): ((&str, &str), (u64, usize))| {
        let name = if name.is_empty() { title_of(kind) } else { name };
        Part { name: name.to_owned(), kind: kind.to_owned(), bytes, objects }
    };
    let mut parts: Vec<Part> = found.into_iter().map(part).filter(|part| part.bytes > 0).collect();
    parts.sort_by(|one, other| other.bytes.cmp(&one.bytes).then_with(|| one.name.cmp(&other.name)));
    if parts.len() > PARTS {
        let rest = parts.split_off(PARTS - 1);
        let (bytes, objects) = rest.iter().fold((0, 0), |(bytes, objects), part| (bytes + part.bytes, objects + part.objects));
        parts.push(Part { name: format!("{} smaller parts", rest.len()), kind: "other".to_owned(), bytes, objects });
        parts.sort_by_key(|part| std::cmp::Reverse(part.bytes));
    }
    parts
}

/// The first two folders of a path.
fn folder(path: &str) -> &str {
    let ends = path.match_indices('/').skip(1).map(|(at, _)| at);
    ends.take(2).last().map_or("/", |end| &path[..end])
}

/// Rectangles whose areas are as the bytes, and whose sides are as alike as a row allows. The largest part comes first.
fn squarified(parts: &[Part]) -> Vec<Rect> {
    #[expect(clippy::cast_precision_loss, reason = "an area on a picture needs no more")]
    let bytes: Vec<f64> = parts.iter().map(|part| part.bytes as f64).collect();
    let scale = WIDTH * HEIGHT / bytes.iter().sum::<f64>().max(1.0);
    let areas: Vec<f64> = bytes.iter().map(|bytes| bytes * scale).collect();
    let mut free = Rect { x: 0.0, y: 0.0, width: WIDTH, height: HEIGHT };
    let (mut placed, mut from) = (Vec::with_capacity(areas.len()), 0);
    while from < areas.len() {
        let side = free.width.min(free.height);
        let mut to = from + 1;
        while to < areas.len() && worst(&areas[from..=to], side) <= worst(&areas[from..to], side) {
            to += 1;
        }
        free = row(&areas[from..to], free, &mut placed);
        from = to;
    }
    placed
}

/// The longest side over the shortest, of the least square rectangle of a row.
fn worst(areas: &[f64], side: f64) -> f64 {
    let sum: f64 = areas.iter().sum();
    let ratio = |area: &f64| (side * side * area / (sum * sum)).max(sum * sum / (side * side * area));
    areas.iter().map(ratio).fold(0.0, f64::max)
}

/// Lays a row along the shorter side, and returns what is left.
fn row(areas: &[f64], free: Rect, placed: &mut Vec<Rect>) -> Rect {
    let sum: f64 = areas.iter().sum();
    if free.width >= free.height {
        let width = sum / free.height.max(f64::MIN_POSITIVE);
        let mut y = free.y;
        for area in areas {
            placed.push(Rect { x: free.x, y, width, height: area / width });
            y += area / width;
        }
        return Rect { x: free.x + width, width: free.width - width, ..free };
    }
    let height = sum / free.width.max(f64::MIN_POSITIVE);
    let mut x = free.x;
    for area in areas {
        placed.push(Rect { x, y: free.y, width: area / height, height });
        x += area / height;
    }
    Rect { y: free.y + height, height: free.height - height, ..free }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(bytes: u64) -> Part {
        Part { name: String::new(), kind: String::new(), bytes, objects: 1 }
    }

    #[test]
    fn areas_are_as_the_bytes_and_nothing_overlaps() {
        let parts: Vec<Part> = [900, 400, 300, 300, 120, 60, 60, 9, 1].map(part).into();
        let rects = squarified(&parts);
        let all: f64 = 2150.0;
        for (part, rect) in parts.iter().zip(&rects) {
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let share = part.bytes as f64 / all;
            assert!((rect.width * rect.height / (WIDTH * HEIGHT) - share).abs() < 1e-9, "{part:?} {rect:?}");
            assert!(rect.x > -1e-6 && rect.x + rect.width < WIDTH + 1e-6 && rect.y + rect.height < HEIGHT + 1e-6, "{rect:?}");
        }
        for (at, one) in rects.iter().enumerate() {
            for other in &rects[at + 1..] {
                let apart = |from: f64, to: f64, start: f64, end: f64| to <= start + 1e-6 || end <= from + 1e-6;
                let in_x = apart(one.x, one.x + one.width, other.x, other.x + other.width);
                assert!(in_x || apart(one.y, one.y + one.height, other.y, other.y + other.height), "{one:?} {other:?}");
            }
        }
        assert!(worst(&[1.0], 1.0) < 1.01);
    }

    #[test]
    fn parts_are_folders() {
        assert_eq!((folder("/a"), folder("/a/b"), folder("/a/b/c"), folder("/a/b/c/d")), ("/", "/a", "/a/b", "/a/b"));
    }
}
