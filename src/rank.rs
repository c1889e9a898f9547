//! The rank of a delivery: a mapping assigns it, and the delivery engine goes by it.

/// Which deliveries stay when a queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// Makes way for a conversion: a page or an addtocart.
    Ordinary,
    /// A purchase, lead or signup.
    Conversion,
}
