//! Connections that wait for whoever reads next, and the turns of those who do: as many at a time as there may be connections.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sea_orm::{ConnAcquireErr, DbErr};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// How long a request waits for a connection: its client learns sooner that it should try again.
pub const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Idle<T> {
    connections: Mutex<Vec<T>>,
    turns: Semaphore,
    most: u32,
}

impl<T> Idle<T> {
    /// For as many connections at most.
    pub fn new(connections: u32) -> Self {
        Self {
            connections: Mutex::new(Vec::new()),
            turns: Semaphore::new(connections as usize),
            most: connections,
        }
    }

    /// How many connections there are at most.
    pub const fn most(&self) -> u32 {
        self.most
    }

    /// Waits until another connection may be used.
    pub async fn turn(&self) -> Result<SemaphorePermit<'_>, DbErr> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        // Apart, as all that is rare: a future is copied with the room for all that it may come to.
        let turn = Box::pin(timeout(PATIENCE, self.turns.acquire())).await;
        turn.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?
            .map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))
    }

    /// One that nobody uses.
    pub fn take(&self) -> Option<T> {
        self.all().pop()
    }

    /// Leaves one to others.
    pub fn give(&self, connection: T) {
        self.all().push(connection);
    }

    /// Gives up those that nobody uses and that are not to be kept.
    pub fn retain(&self, keep: impl FnMut(&T) -> bool) {
        self.all().retain(keep);
    }

    /// Gives up those that nobody uses.
    pub fn clear(&self) {
        self.all().clear();
    }

    /// The same, and lets nobody have another one.
    pub fn close(&self) {
        self.turns.close();
        self.clear();
    }

    fn all(&self) -> MutexGuard<'_, Vec<T>> {
        let connections = self.connections.lock();
        connections.unwrap_or_else(PoisonError::into_inner)
    }
}
