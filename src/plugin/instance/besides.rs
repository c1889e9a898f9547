//! The plugins that roots have besides: looked after here if Envoy has thrown away their root.
//!
//! Envoy knows a root by its plugin's name and configuration. Where a configuration comes back while its last root is still waiting for
//! answers, the new root takes the place of that one, which gets no callback any more: no tick, no answer, and no end.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::super::envoy::Envoy;
use super::{Current, Plugin};
use crate::delivery::{Answer, Instant, Token};

/// How long after its time a tick has to be missing before the newest root makes up for it.
const GRACE: Duration = Duration::from_secs(1);

impl<E: Envoy> Plugin<E> {
    /// When a plugin besides has to be looked after, if its own root doesn't.
    pub(super) fn besides_due(&mut self, now: Instant) -> Option<Instant> {
        let due = |beside: &Rc<RefCell<Self>>| beside.try_borrow_mut().ok()?.next_due(now);
        self.besides.iter().filter_map(due).min().map(|due| due.saturating_add(GRACE))
    }

    /// Does what plugins besides should have done by now, in a tick of `root`. Returns how many callouts were sent.
    pub(super) fn work_besides(&mut self, root: u32, now: Instant) -> usize {
        let mut sent = 0_usize;
        let besides = std::mem::take(&mut self.besides);
        for beside in besides {
            let Ok(mut plugin) = beside.try_borrow_mut() else {
                self.besides.push(Rc::clone(&beside));
                continue;
            };
            let due = plugin.next_due(now);
            if due.is_some_and(|due| due.saturating_add(GRACE) <= now) {
                sent = sent.saturating_add(plugin.work(root, now).0);
            }
            let is_over = due.is_none() && plugin.is_idle() && !self.has_context(plugin.newest, root);
            drop(plugin);
            if !is_over {
                self.besides.push(beside);
            }
        }
        sent
    }

    /// Settles a callout that was sent for a plugin besides. Returns `false` if none of them knows it.
    pub(super) fn settle_besides(
        &mut self,
        root: u32,
        token: Token,
        answer: Answer<'_>,
        body: &[u8],
    ) -> bool {
        let is_known = self.besides.iter().any(|beside| {
            let Ok(mut plugin) = beside.try_borrow_mut() else { return false };
            let now = plugin.envoy.clock();
            let is_its = plugin.with_host(now, |relay, host| relay.settle_with(token, answer, body, host)).0;
            if is_its {
                plugin.answer_settled(root);
                let Plugin { metrics, envoy, .. } = &mut *plugin;
                metrics.flush(envoy);
            }
            is_its
        });
        if is_known {
            let now = self.envoy.clock();
            self.arm(Current::root(root), now);
        }
        is_known
    }

    /// Whether Envoy still has a context. `current` is that of the callback.
    fn has_context(&self, context: u32, current: u32) -> bool {
        let exists = self.envoy.set_effective_context(context);
        self.envoy.set_effective_context(current);
        exists
    }
}
