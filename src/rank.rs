//! The rank of a delivery: a mapping assigns it, and the delivery engine uses it.

/// Which deliveries stay when a queue is full; a higher one before a lower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// May be displaced by a conversion: a page or an addtocart.
    Ordinary,
    /// A purchase, lead or signup.
    Conversion,
}
