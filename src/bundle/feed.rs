//! `manifest.jsonl`, from a stream to a [`Builder`]: cut into blocks of whole lines, which are read on some threads and taken in
//! their order, while one more thread hashes them. So the first fault is the same one whatever the number of threads, and of a
//! large manifest a few blocks are in memory at a time.

use super::OpenError;
use super::finding::{Fault, Finding};
use super::json::MAX_LINE;
use super::line::{self, Piece, Terms};
use super::parse::Builder;
use crate::spool::Sha;
use sha2::{Digest, Sha256};
use std::sync::{Arc, mpsc};
use std::thread::{self, Scope, ScopedJoinHandle};

/// Bytes of a block, unless a line is longer. A manifest of one block is read without other threads.
pub(crate) const BLOCK: usize = 128 << 10;

/// Fills a buffer with the next bytes of the stream.
pub(crate) type Fill<'a> = &'a mut (dyn FnMut(&mut [u8]) -> Result<(), OpenError> + Send);

/// Reads all lines, `size` bytes together. Gives their SHA-256.
pub(crate) fn lines(builder: &mut Builder, size: u64, block: usize, fill: Fill<'_>) -> Result<Sha, OpenError> {
    let mut blocks = Blocks { left: size, block, carry: Vec::new(), fill };
    let mut first = Block::default();
    if !blocks.next(&mut first)? {
        return Ok(Sha256::digest(b"").into());
    }
    let head = first.text().iter().position(|byte| *byte == b'\n').unwrap_or_default();
    let terms = builder.first(&first.text()[..head])?;
    first.from = head + 1;
    if blocks.left == 0 && blocks.carry.is_empty() {
        if let Some(terms) = terms {
            builder.take(line::piece(first.text(), terms), first.text())?;
        }
        return Ok(Sha256::digest(first.whole()).into());
    }
    thread::scope(|scope| spread(scope, builder, terms, first, blocks))
}

/// Reads the first line and those of the frames, and stops at any other.
pub(crate) fn frames(builder: &mut Builder, size: u64, fill: Fill<'_>) -> Result<(), OpenError> {
    let mut blocks = Blocks { left: size, block: BLOCK / 2, carry: Vec::new(), fill };
    let (mut block, mut terms) = (Block::default(), None);
    while blocks.next(&mut block)? {
        if terms.is_none() {
            let head = block.text().iter().position(|byte| *byte == b'\n').unwrap_or_default();
            terms = builder.first(&block.text()[..head])?;
            block.from = head + 1;
        }
        let Some(terms) = terms else { return Ok(()) };
        if !builder.take_frames(line::piece(block.text(), terms))? {
            return Ok(());
        }
    }
    Ok(())
}

/// Whole lines.
#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    /// Where the lines that are to be read begin.
    from: usize,
    len: usize,
}

impl Block {
    fn text(&self) -> &[u8] {
        &self.bytes[self.from..self.len]
    }

    fn whole(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Cuts the stream behind line feeds.
struct Blocks<'a> {
    left: u64,
    block: usize,
    carry: Vec<u8>,
    fill: Fill<'a>,
}

impl Blocks<'_> {
    /// Fills a block that may have been used before. False at the end.
    fn next(&mut self, block: &mut Block) -> Result<bool, OpenError> {
        (block.from, block.len) = (0, self.carry.len());
        if block.bytes.len() < block.len {
            block.bytes.resize(block.len, 0);
        }
        block.bytes[..block.len].copy_from_slice(&self.carry);
        loop {
            if self.left == 0 {
                return if block.len == 0 { Ok(false) } else { Err(unfinished().into()) };
            }
            let (old, more) = (block.len, self.block.min(usize::try_from(self.left).unwrap_or(usize::MAX)));
            block.len += more;
            if block.bytes.len() < block.len {
                block.bytes.resize(block.len, 0);
            }
            (self.fill)(&mut block.bytes[old..block.len])?;
            self.left -= more as u64;
            if let Some(end) = block.bytes[old..block.len].iter().rposition(|byte| *byte == b'\n') {
                self.carry.clear();
                self.carry.extend_from_slice(&block.bytes[old + end + 1..block.len]);
                block.len = old + end + 1;
                return Ok(true);
            }
            if block.len > MAX_LINE {
                return Err(Finding::new(Fault::Limit, "a manifest line is longer than allowed").into());
            }
        }
    }
}

fn unfinished() -> Finding {
    Finding::new(Fault::Line, "the manifest does not end with a line feed")
}

/// A block and what was read in it.
type Read = (Piece, Arc<Block>);

/// The stream comes in on one thread and is hashed on another, some read, and this one takes what they read. Readers take turns:
/// block after block goes to the next of them and comes from the next of them, so that blocks stay in order.
fn spread<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    builder: &mut Builder,
    terms: Option<Terms>,
    first: Block,
    blocks: Blocks<'env>,
) -> Result<Sha, OpenError> {
    let (hash, to_hash) = mpsc::sync_channel::<Arc<Block>>(2);
    let hasher = scope.spawn(move || {
        let mut sha = Sha256::new();
        to_hash.into_iter().for_each(|block| sha.update(block.whole()));
        sha.finalize().into()
    });
    let (to_read, read): (Vec<_>, Vec<_>) = terms.map(|terms| readers(scope, terms)).unwrap_or_default().into_iter().unzip();
    let stream = scope.spawn(move || Stream { hash, to_read, used: Vec::new() }.run(first, blocks));
    for reader in read.iter().cycle() {
        // The first one that has no more was to read the block behind the last.
        let Ok((piece, block)) = reader.recv() else { break };
        builder.take(piece, block.text())?;
    }
    // A fault in a line before the place where the stream broke came first.
    joined(stream)?;
    Ok(joined(hasher))
}

/// The two ends of each reader.
fn readers<'scope>(scope: &'scope Scope<'scope, '_>, terms: Terms) -> Vec<(mpsc::SyncSender<Arc<Block>>, mpsc::Receiver<Read>)> {
    let number = thread::available_parallelism().map_or(1, usize::from).min(4);
    let reader = |_| {
        let (to_read, blocks) = mpsc::sync_channel::<Arc<Block>>(1);
        let (done, read) = mpsc::sync_channel(1);
        scope.spawn(move || blocks.into_iter().try_for_each(|block| done.send((line::piece(block.text(), terms), block))));
        (to_read, read)
    };
    (0..number).map(reader).collect()
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The thread that the blocks come in on.
struct Stream {
    hash: mpsc::SyncSender<Arc<Block>>,
    to_read: Vec<mpsc::SyncSender<Arc<Block>>>,
    /// Blocks that were used; those that nobody holds any more are used again.
    used: Vec<Arc<Block>>,
}

impl Stream {
    fn run(mut self, first: Block, mut blocks: Blocks<'_>) -> Result<(), OpenError> {
        let mut block = first;
        for turn in 0.. {
            let shared = Arc::new(block);
            if !self.give(&shared, turn) {
                break;
            }
            self.used.push(shared);
            block = self.unused();
            if !blocks.next(&mut block)? {
                break;
            }
        }
        Ok(())
    }

    /// Has a block hashed and read. False if nobody wants more, since there was a fault.
    fn give(&self, block: &Arc<Block>, turn: usize) -> bool {
        let reader = self.to_read.get(turn % self.to_read.len().max(1));
        self.hash.send(block.clone()).is_ok() && reader.is_none_or(|reader| reader.send(block.clone()).is_ok())
    }

    fn unused(&mut self) -> Block {
        let free = self.used.iter().position(|block| Arc::strong_count(block) == 1);
        free.and_then(|at| Arc::into_inner(self.used.swap_remove(at))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::{self, MemberParts};
    use super::super::manifest::{Counts, FrameLine, HeadLine, States};
    use super::super::{Limits, Manifest};
    use super::*;
    use serde_json::{Map, json};

    const MEMBERS: u32 = 300;

    type Damage = fn(&mut Vec<Vec<u8>>, usize);

    fn manifest() -> Vec<Vec<u8>> {
        let head = HeadLine {
            major: 1,
            minor: 0,
            requires: Vec::new(),
            created: "2026-08-22T02:00:00Z".to_owned(),
            tool: "lifeboat/0".to_owned(),
            source: Map::new(),
            selection: None,
            content_id: [1; 32],
            previous: None,
            counts: Counts { members: MEMBERS.into(), frames: 2, bytes: 10 * u64::from(MEMBERS) },
            states: States::default(),
        };
        let frame = |off, ulen, tar| FrameLine { off, clen: 1000, ulen, tar, sha256: [2; 32] };
        let mut all = vec![lines::head(&head).unwrap(), lines::frame(0, &frame(0, 1024, 0)).unwrap()];
        all.push(lines::frame(1, &frame(1000, 1024 * u64::from(MEMBERS), 1024)).unwrap());
        for index in 0..MEMBERS {
            let (path, meta) = (format!("/folder/{index:05}"), json!({"object_id": index, "ö": "x".repeat(index as usize)}));
            let (name, at) = (format!("data/job/folder/{index:05}.json"), index * 1024 + 512);
            let parts = MemberParts {
                path: &path,
                kind: "job",
                key: None,
                name: &name,
                size: 10,
                sha256: &[3; 32],
                frame: 1,
                at,
                degraded: None,
                meta: &meta.to_string(),
            };
            all.push(lines::member(&parts).unwrap());
        }
        all
    }

    fn read(text: &[u8], block: usize) -> Result<Manifest, String> {
        let (mut builder, mut rest) = (Builder::new(Limits::default(), true), text);
        let mut fill = |buffer: &mut [u8]| {
            buffer.copy_from_slice(&rest[..buffer.len()]);
            rest = &rest[buffer.len()..];
            Ok(())
        };
        let sha = lines(&mut builder, text.len() as u64, block, &mut fill).map_err(|cause| format!("{cause:?}"))?;
        assert_eq!(sha, <Sha>::from(Sha256::digest(text)));
        builder.finish(sha, 2000).map_err(|cause| format!("{cause:?}"))
    }

    #[test]
    fn blocks_of_any_size_give_the_same_manifest() {
        let text = manifest().concat();
        let whole = read(&text, 1 << 20).unwrap();
        assert_eq!(whole.members.len(), MEMBERS as usize);
        for block in [1, 7, 100, 1000, 4096, text.len() - 1, text.len()] {
            assert_eq!(format!("{whole:?}"), format!("{:?}", read(&text, block).unwrap()), "{block}");
        }
    }

    #[test]
    fn the_first_fault_is_the_same_whatever_the_size_of_blocks() {
        let broken: [Damage; 5] = [
            |lines, at| lines.swap(at, at + 1),
            |lines, at| lines[at][20] = 0xFF,
            |lines, at| lines[at] = b"{}\n".to_vec(),
            |lines, at| lines.insert(at, lines[0].clone()),
            |lines, _| lines.last_mut().unwrap().truncate(3),
        ];
        for break_it in broken {
            for at in [3, 4, 50, 299] {
                let mut lines = manifest();
                break_it(&mut lines, 300);
                break_it(&mut lines, at);
                let text = lines.concat();
                let wanted = read(&text, 1 << 20).unwrap_err();
                for block in [1, 100, 1000, 10_000] {
                    assert_eq!(read(&text, block).unwrap_err(), wanted, "{at} {block}");
                }
            }
        }
    }

    #[test]
    fn a_stream_that_breaks_is_told_after_the_lines_before_it() {
        let text = manifest().concat();
        let read = |text: &[u8], ends: usize| {
            let (mut builder, mut at) = (Builder::new(Limits::default(), true), 0);
            let mut fill = |buffer: &mut [u8]| {
                let piece = text[..ends].get(at..at + buffer.len()).ok_or_else(|| Finding::new(Fault::Decode, "broken"))?;
                buffer.copy_from_slice(piece);
                at += buffer.len();
                Ok(())
            };
            match lines(&mut builder, text.len() as u64, 512, &mut fill) {
                Err(OpenError::Damaged(finding)) => finding.fault,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(read(&text, 20_000), Fault::Decode);
        let mut hurt = text.clone();
        let at = hurt.windows(12).position(|window| window == b"folder/00010").unwrap();
        hurt[at..at + 12].copy_from_slice(b"folder/00009");
        assert_eq!(read(&hurt, 20_000), Fault::Duplicate);
        let line = |len: usize| [b"{".to_vec(), vec![b' '; len]].concat();
        let long = [manifest()[..4].concat(), line(3 << 20)].concat();
        assert_eq!(read(&long, long.len()), Fault::Limit);
    }
}
