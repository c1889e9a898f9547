//! Randomness of the system's.

/// Returns random bytes, fit for secrets. The error says that the system has none.
pub fn bytes<const LENGTH: usize>() -> Result<[u8; LENGTH], String> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| format!("no random bytes: {error}"))?;
    Ok(bytes)
}

/// Returns a text of 32 random hexadecimal digits, fit for a secret.
pub fn token() -> Result<String, String> {
    Ok(bytes::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Returns an id that nothing else has, such as `int_1f8c0a2b3d4e5f60`.
pub fn id(kind: &str) -> Result<String, String> {
    let digits: String = bytes::<8>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{kind}_{digits}"))
}
