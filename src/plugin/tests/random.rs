//! Random sequences of callbacks, of one filter or of several that share a name: work that is due is never forgotten.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// A new root, with one of these configurations.
    Configure(&'static [&'static str]),
    Release(Index),
    HandOver(Index),
    Redirect(Index),
    Ignore(Index),
    ExpectBody(Index, u64),
    BodySeen(Index),
    Settle(Index, u16),
    Wait(Duration),
    Stall(Duration),
}

fn step() -> impl Strategy<Value = Step> {
    let configurations: [&[&str]; 4] = [&["FT", "Pod"], &["FT"], &["Pod", "New"], &["Pod", "FT"]];
    let index = any::<Index>;
    let time =
        || prop_oneof![0..10_000_u64, 0..2_000_000_u64, 0..20_000_000_u64].prop_map(Duration::from_micros);
    prop_oneof![
        2 => select(configurations.to_vec()).prop_map(Step::Configure),
        1 => index().prop_map(Step::Release),
        5 => index().prop_map(Step::HandOver),
        1 => index().prop_map(Step::Redirect),
        1 => index().prop_map(Step::Ignore),
        2 => (index(), 0..2_u64).prop_map(|(at, arrived)| Step::ExpectBody(at, arrived)),
        1 => index().prop_map(Step::BodySeen),
        6 => (index(), select(vec![200, 200, 404, 503, 0])).prop_map(|(at, status)| Step::Settle(at, status)),
        6 => time().prop_map(Step::Wait),
        2 => time().prop_map(Step::Stall),
    ]
}

/// A root that has not ended.
fn root(world: &World, index: Index) -> Option<u32> {
    let roots: Vec<_> = world.roots.keys().copied().collect();
    (!roots.is_empty()).then(|| *index.get(&roots))
}

fn take(world: &mut World, step: Step, next_root: &mut u32, bodies: &mut Vec<BodySeen>) -> Option<()> {
    match step {
        Step::Configure(names) => {
            *next_root += 1;
            world.configure(*next_root, names);
        }
        Step::Release(index) => world.release(root(world, index)?),
        Step::HandOver(index) => world.hand_over(root(world, index)?),
        Step::Redirect(index) => _ = world.redirect(root(world, index)?),
        Step::Ignore(index) => world.ignore(root(world, index)?),
        Step::ExpectBody(index, arrived) => bodies.push(world.expect_body(root(world, index)?, arrived).1),
        Step::BodySeen(index) => {
            if !bodies.is_empty() {
                bodies.swap_remove(index.index(bodies.len())).set();
            }
        }
        Step::Settle(index, status) => {
            let callouts = world.envoy.callouts.borrow().clone();
            if !callouts.is_empty() {
                let answer = if status == 0 { Answer::Timeout } else { Answer::status(status) };
                world.settle(*index.get(&callouts), answer);
            }
        }
        Step::Wait(time) => world.wait(time),
        Step::Stall(time) => world.stall(time),
    }
    Some(())
}

/// Whenever something is due, the timer of the newest root, or of the root that has a plugin besides, fires no later than that,
/// rounded up to a millisecond.
fn check_timers(world: &World) -> Result<(), TestCaseError> {
    let now = world.envoy.now.get();
    let is_newest = |id: &u32| world.plugin.as_ref().is_some_and(|plugin| plugin.borrow().is_newest(*id));
    let newest = world.roots.keys().find(|id| is_newest(id)).and_then(|id| world.envoy.alarm(*id));
    // Where Envoy has given every root up, nobody is left who could be called.
    for (id, root) in &world.roots {
        let in_force = world.plugin.clone().filter(|plugin| plugin.borrow().is_newest(*id));
        for plugin in in_force.into_iter().chain(root.own()) {
            let Some(due) = plugin.borrow_mut().next_due(now) else { continue };
            let (latest, alarm) = (due.max(now) + MS, world.envoy.alarm(*id));
            // What the newest root has done for another one, it looks after within a second.
            let by_newest = newest.is_some_and(|at| at <= latest + SECOND);
            let is_beside = world.plugin.as_ref().is_none_or(|main| !std::rc::Rc::ptr_eq(main, &plugin));
            prop_assert!(
                alarm.is_some_and(|at| at <= latest) || (is_beside && by_newest),
                "{alarm:?} for {due:?} at {now:?} on root {id}"
            );
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn whenever_something_is_due_a_timer_is_armed_on_its_root_for_no_later(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let (mut world, mut next_root, mut bodies) = (World::new(), 1, Vec::new());
        for step in steps {
            take(&mut world, step, &mut next_root, &mut bodies);
            check_timers(&world)?;
            prop_assert!(world.told_pending() >= 0, "something ended before it was matched");
        }
    }

    #[test]
    fn whatever_happened_before_all_comes_to_rest_once_vendors_answer(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let (mut world, mut next_root, mut bodies) = (World::new(), 1, Vec::new());
        for step in steps {
            take(&mut world, step, &mut next_root, &mut bodies);
        }
        bodies.clear(); // the clients that never sent any leave
        world.configure(next_root + 1, &["FT", "Pod"]);
        for _ in 0..1_000 {
            world.wait(SECOND);
            world.settle_all(Answer::status(200));
        }
        world.wait(SECOND);
        prop_assert_eq!((world.pending(), world.told_pending()), (0, 0));
        prop_assert_eq!(world.next_alarm(), None, "an idle plugin's timers are off");
        prop_assert!(world.plugin().is_idle());
        prop_assert!(world.besides.iter().all(|own| own.borrow().is_idle()));
    }
}
