//! A store that encrypts what goes into another, while it is written: nothing that can be read reaches the other.

use super::keys::{Opener, Recipients};
use super::source::Locked;
use crate::store::{Source, Staged, Store};
use age::stream::StreamWriter;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// A store whose files only its recipients can read.
#[derive(Clone)]
pub struct Encrypted {
    store: Arc<dyn Store>,
    recipients: Recipients,
}

impl Encrypted {
    /// Encrypts what goes into a store.
    pub fn new(store: Arc<dyn Store>, recipients: Recipients) -> Self {
        Self { store, recipients }
    }
}

impl Store for Encrypted {
    fn stage(&self, target: &Path) -> io::Result<Box<dyn Staged>> {
        let inner = self.store.stage(target)?;
        let (encryptor, key) = self.recipients.encryptor()?;
        Ok(Box::new(StagedSecret { writing: Some(encryptor.wrap_output(inner)?), written: None, key }))
    }

    fn settle(&self, target: &Path) -> io::Result<()> {
        self.store.settle(target)
    }

    fn hides(&self) -> bool {
        true
    }
}

/// First it is written, and once it was synced it is complete.
struct StagedSecret {
    writing: Option<StreamWriter<Box<dyn Staged>>>,
    written: Option<Box<dyn Staged>>,
    key: Opener,
}

impl StagedSecret {
    fn out(&mut self) -> io::Result<&mut StreamWriter<Box<dyn Staged>>> {
        self.writing.as_mut().ok_or_else(|| io::Error::other("the encrypted file is complete already"))
    }
}

impl Write for StagedSecret {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out()?.flush()
    }
}

impl Staged for StagedSecret {
    fn sync(&mut self) -> io::Result<()> {
        if let Some(writing) = self.writing.take() {
            self.written = Some(writing.finish()?);
        }
        let written = self.written.as_mut().ok_or(io::ErrorKind::Other)?;
        written.flush()?;
        written.sync()
    }

    fn reopen(&self) -> io::Result<Box<dyn Source>> {
        let written = self.written.as_ref().ok_or_else(|| io::Error::other("the encrypted file is not complete"))?;
        Ok(Box::new(Locked::reopen(written.reopen()?.into(), self.key.again())?))
    }

    fn publish(self: Box<Self>) -> io::Result<()> {
        self.written.ok_or_else(|| io::Error::other("the encrypted file is not complete"))?.publish()
    }
}
