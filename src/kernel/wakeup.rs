//! The kernel's wake-up of a sleeping reader (`src/bpf/wakeup.bpf.h`).

use std::os::fd::{AsFd, BorrowedFd};
use std::ptr;

use anyhow::{Context as _, Result};
use libbpf_rs::{RingBuffer, RingBufferBuilder};

use super::skel::KernelAndUserMapSkel;

/// A BPF ring buffer, in which only the arrival of something matters.
#[derive(Debug)]
pub struct Wakeup(RingBuffer<'static>);

impl Wakeup {
    /// The wake-up of a loaded skeleton.
    ///
    /// # Errors
    ///
    /// When the ring buffer can't be mapped into memory.
    pub fn new(skel: &KernelAndUserMapSkel<'_>) -> Result<Self> {
        let mut builder = RingBufferBuilder::new();
        builder.add(&skel.maps.wakeup, |_| 0).context("could not open the ring buffer")?;
        Ok(Self(builder.build().context("could not map the ring buffer")?))
    }

    /// Takes note of wake-ups so far, and asks for one when the kernel has put `inserted` records
    /// into the map since the start. No system call.
    ///
    /// # Errors
    ///
    /// When libbpf finds the ring buffer broken.
    pub fn set(&self, skel: &mut KernelAndUserMapSkel<'_>, inserted: u64) -> Result<()> {
        self.0.consume().context("could not read the ring buffer")?;
        if let Some(bss) = &mut skel.maps.bss_data {
            // SAFETY: a reference is valid to write to. Volatile, since the kernel looks at it
            // at any time; it is an aligned u64, which no CPU tears.
            unsafe { ptr::write_volatile(&raw mut bss.wakeup_at, inserted) };
        }
        Ok(())
    }
}

/// Readable when the kernel has woken the reader.
impl AsFd for Wakeup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the ring buffer has its file open as long as it lives.
        unsafe { BorrowedFd::borrow_raw(self.0.epoll_fd()) }
    }
}
