//! A notebook with its cells: number, language, title, where it stands in the file.

use crate::ui::Ui;
use lifeboat::bundle::MemberLine;
use lifeboat::notebook::Notebook;

pub(super) fn tell(ui: &mut Ui, member: &MemberLine, bytes: &[u8]) -> std::io::Result<bool> {
    let meta = member.meta();
    let Some(notebook) = Notebook::read(bytes).filter(Notebook::is_marked) else { return Ok(false) };
    let language = notebook.language(meta.get("language").and_then(|language| language.as_str()));
    for cell in &notebook.cells() {
        let title = cell.title().map(|title| format!(" · {title}")).unwrap_or_default();
        let line = cell.line.map(|line| format!(" · line {line}")).unwrap_or_default();
        ui.line(format!("── cell {} · {}{title}{line}", cell.number, cell.language(&language)))?;
        // Behind a bar, so that no line of code looks like one of ours.
        cell.text().lines().try_for_each(|line| ui.code("│ ", line))?;
        ui.line("")?;
    }
    Ok(true)
}
