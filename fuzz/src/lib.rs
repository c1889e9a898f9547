//! libFuzzer's side of the fuzz targets. What they check is in `checks`, which `tests/fuzz.rs` shares.

pub mod checks;

pub use cap::Cap;
pub use libfuzzer_sys::fuzz_target;

/// The program of one target: it hands libFuzzer's inputs to the check of that name.
///
/// While an input is read, the allocator gives at most `MEMORY` bytes beyond what was held before. More is an abort, which
/// libFuzzer reports like a panic. (Its own `-malloc_limit_mb` needs a sanitizer's runtime.)
#[macro_export]
macro_rules! fuzz {
    ($check:ident) => {
        #[global_allocator]
        static ALLOCATOR: $crate::Cap<std::alloc::System> = $crate::Cap::new(std::alloc::System, usize::MAX);

        $crate::fuzz_target!(
            init: {
                // A panic takes memory itself, to tell of it. Without this its report would hang where that fails.
                let report = std::panic::take_hook();
                std::panic::set_hook(Box::new(move |panic| {
                    let _ = ALLOCATOR.set_limit(usize::MAX);
                    report(panic);
                }));
                // What is made once, such as a compiled configuration, counts for no input.
                let _ = $crate::checks::$check::check(b"");
            },
            |input: &[u8]| {
                let bound = ALLOCATOR.allocated().saturating_add($crate::checks::$check::MEMORY);
                ALLOCATOR.set_limit(bound).expect("the bound is above what is held");
                let _ = $crate::checks::$check::check(input);
                let _ = ALLOCATOR.set_limit(usize::MAX);
            }
        );
    };
}
