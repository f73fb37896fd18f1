//! A notebook with its cells: number, language, title, where it stands in the file.

use crate::ui::Ui;
use lifeboat::audit::cells;
use lifeboat::bundle::MemberLine;

pub(super) fn tell(ui: &mut Ui, member: &MemberLine, bytes: &[u8]) -> std::io::Result<bool> {
    let meta = member.meta();
    let language = meta.get("language").and_then(|language| language.as_str());
    let Some(cells) = cells(bytes, language) else { return Ok(false) };
    for cell in &cells {
        let title = cell.title.as_deref().map(|title| format!(" · {title}")).unwrap_or_default();
        let line = cell.line.map(|line| format!(" · line {line}")).unwrap_or_default();
        ui.line(format!("── cell {} · {}{title}{line}", cell.number, cell.language))?;
        // Behind a bar, so that no line of code looks like one of ours.
        cell.text.lines().try_for_each(|line| ui.line(format!("│ {line}")))?;
        ui.line("")?;
    }
    Ok(true)
}
