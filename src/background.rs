//! Threads that work while others answer tell so here, and give way to them.
//!
//! Not while lists are read for the first time: until then nothing is blocked, and on a host that
//! has no CPU to spare a thread that gives way to everybody would never finish.

use std::sync::atomic::{AtomicBool, Ordering};

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// Whether lists have been read once in this process.
static HAS_READ: AtomicBool = AtomicBool::new(false);

/// Notes that lists have been read: from now on whoever does such work gives way.
pub(crate) fn note_lists_read() {
    HAS_READ.store(true, Ordering::Relaxed);
}

/// Lets this thread run only when no other wants to, once lists have been read. With SCHED_IDLE
/// (sched(7)) it gives way at once; with the lowest priority of nice(2), a slice of a millisecond or
/// two is finished first. Where the kernel refuses it, it does not give way.
pub(crate) fn give_way() {
    if HAS_READ.load(Ordering::Relaxed) {
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
    }
}
