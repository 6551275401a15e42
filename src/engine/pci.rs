//! Where a card sits: the address that Vulkan, CUDA's driver and the kernel agree on.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Fault, Result};

/// A PCI address, printed as `0000:65:00.0`: domain, bus, device and function, all in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    /// 0 on most machines.
    pub domain: u32,
    /// The bus.
    pub bus: u8,
    /// The device on its bus.
    pub device: u8,
    /// The function of the device.
    pub function: u8,
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, bus, device, function } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function:x}")
    }
}

impl FromStr for PciAddress {
    type Err = Error;

    /// Reads `0000:65:00.0`, the same without the domain, and the eight-digit domain of `nvidia-smi`.
    fn from_str(text: &str) -> Result<Self> {
        parse(text.trim()).ok_or_else(|| {
            Fault::new(
                crate::text::quoted(text),
                "domain:bus:device.function, such as 0000:65:00.0, or the same without the domain",
            )
            .of("PCI address")
            .invalid()
        })
    }
}

fn parse(text: &str) -> Option<PciAddress> {
    let hex = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        digits.then(|| u32::from_str_radix(text, 16).ok()).flatten()
    };
    let (rest, function) = text.rsplit_once('.')?;
    let (rest, device) = rest.rsplit_once(':')?;
    let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0", rest));
    Some(PciAddress {
        domain: hex(domain)?,
        bus: hex(bus)?.try_into().ok()?,
        device: hex(device)?.try_into().ok()?,
        function: hex(function)?.try_into().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_way_of_writing_an_address() {
        for text in ["0000:65:00.0", "65:00.0", "00000000:65:00.0", " 0000:65:00.0\n"] {
            assert_eq!(text.parse::<PciAddress>().unwrap().to_string(), "0000:65:00.0", "{text}");
        }
        assert_eq!("10de:Af:1F.7".parse::<PciAddress>().unwrap().to_string(), "10de:af:1f.7");
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in ["", "65", "65:00", "65:00.", ":00.0", "+1:00.0", "165:00.0", "0:1:65:00.0", "zz:00.0"] {
            assert!(text.parse::<PciAddress>().is_err(), "{text}");
        }
    }
}
