//! One call out of the module: its arguments, and the way for its results into the module's memory.

use wasmi::{Caller, Error, Memory, Val};

use super::envoy::Envoy;

/// What Envoy returns, of the ABI's codes those that it uses here.
#[derive(Clone, Copy)]
pub enum Status {
    Ok = 0,
    NotFound = 1,
    BadArgument = 2,
    CasMismatch = 8,
}

/// A length or a place as the ABI has it.
pub fn number_of(length: usize) -> Result<u32, Error> {
    u32::try_from(length).map_err(|_| Error::new(format!("{length} takes more than 32 bits")))
}

pub struct Call<'a, 'c> {
    caller: &'a mut Caller<'c, Envoy>,
    arguments: &'a [Val],
}

impl<'a, 'c> Call<'a, 'c> {
    pub fn new(caller: &'a mut Caller<'c, Envoy>, arguments: &'a [Val]) -> Self {
        Self { caller, arguments }
    }

    pub fn envoy(&mut self) -> &mut Envoy {
        self.caller.data_mut()
    }

    /// An argument of 32 bits.
    pub fn number(&self, nth: usize) -> Result<u32, Error> {
        match self.arguments.get(nth) {
            Some(Val::I32(number)) => Ok(number.cast_unsigned()),
            other => Err(Error::new(format!("argument {nth} is {other:?}, not of 32 bits"))),
        }
    }

    /// An argument of 64 bits.
    pub fn long(&self, nth: usize) -> Result<i64, Error> {
        match self.arguments.get(nth) {
            Some(Val::I64(number)) => Ok(*number),
            other => Err(Error::new(format!("argument {nth} is {other:?}, not of 64 bits"))),
        }
    }

    /// The bytes whose address is that argument, and whose length is the one after it.
    pub fn bytes(&self, nth: usize) -> Result<Vec<u8>, Error> {
        self.read(self.number(nth)?, self.number(nth + 1)?)
    }

    /// The same as text.
    pub fn text(&self, nth: usize) -> Result<String, Error> {
        String::from_utf8(self.bytes(nth)?).map_err(|_| Error::new(format!("argument {nth} is no text")))
    }

    fn memory(&self) -> Result<Memory, Error> {
        self.caller.data().memory.ok_or_else(|| Error::new("a call before the memory is known"))
    }

    pub fn read(&self, address: u32, length: u32) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; length as usize];
        self.memory()?.read(&*self.caller, address as usize, &mut bytes)?;
        Ok(bytes)
    }

    pub fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        self.memory()?.write(&mut *self.caller, address as usize, bytes)?;
        Ok(())
    }

    /// Writes a number to the address that is that argument.
    pub fn give_number(&mut self, nth: usize, number: u32) -> Result<(), Error> {
        self.write(self.number(nth)?, &number.to_le_bytes())
    }

    /// Gives bytes to the module, in memory that it allocates. Their address goes to where that argument points, their length to
    /// where the one after it does.
    pub fn give(&mut self, nth: usize, bytes: &[u8]) -> Result<(), Error> {
        let length = number_of(bytes.len())?;
        // Envoy asks for no memory where there is nothing to put into it.
        let address = if length == 0 { 0 } else { self.allocate(length)? };
        self.write(address, bytes)?;
        self.give_number(nth, address)?;
        self.give_number(nth + 1, length)
    }

    fn allocate(&mut self, length: u32) -> Result<u32, Error> {
        let allocate = self.envoy().allocate.ok_or_else(|| Error::new("the module can't allocate yet"))?;
        allocate.call(&mut *self.caller, length)
    }
}
