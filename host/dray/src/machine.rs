use std::fs;

use dray_core::oci::Platform;

/// What counts of the machine and the user that the program runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The platform, by the rules of containerd's `platforms` library.
    pub platform: Platform,
    /// Whether the effective user is root, for whom other directories of hosts count.
    pub is_root: bool,
}

impl Machine {
    /// Finds out about this machine. Reads `/proc/cpuinfo` on ARM, and no environment variable.
    pub fn detect() -> Self {
        Self { platform: platform(), is_root: rustix::process::geteuid().is_root() }
    }
}

fn platform() -> Platform {
    let architecture = go_architecture(std::env::consts::ARCH, cfg!(target_endian = "little"));
    let variant = match architecture {
        "arm" | "arm64" => {
            // If the file cannot be read, the kernel's name for the machine is used.
            let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
            let machine = rustix::system::uname().machine().to_string_lossy().into_owned();
            arm_variant(architecture, &cpu_info, &machine)
        }
        _ => "",
    };
    Platform::new(std::env::consts::OS, architecture, variant)
}

/// Go's name of an architecture, from Rust's.
fn go_architecture(name: &'static str, is_little_endian: bool) -> &'static str {
    match (name, is_little_endian) {
        ("x86_64", _) => "amd64",
        ("x86", _) => "386",
        ("aarch64", _) => "arm64",
        ("loongarch64", _) => "loong64",
        ("powerpc64", true) => "ppc64le",
        ("powerpc64", false) => "ppc64",
        ("mips", true) => "mipsle",
        ("mips64", true) => "mips64le",
        (other, _) => other,
    }
}

fn arm_variant(architecture: &str, cpu_info: &str, machine: &str) -> &'static str {
    let stated = cpu_info_field(cpu_info, "cpu architecture").map(str::to_ascii_lowercase);
    let version = stated.unwrap_or_else(|| version_of_machine(machine));
    let model = cpu_info_field(cpu_info, "model name").unwrap_or_default().to_ascii_lowercase();
    match version.as_str() {
        "8" | "aarch64" => "v8",
        // Kernels report 7 on the first Raspberry Pi, whose processor has version 6.
        "7" if architecture == "arm" && model.starts_with("armv6-compatible") => "v6",
        "7" | "7m" | "?(12)" | "?(13)" | "?(14)" | "?(15)" | "?(16)" | "?(17)" => "v7",
        "6" | "6tej" => "v6",
        "5" | "5t" | "5te" | "5tej" => "v5",
        "4" | "4t" => "v4",
        "3" => "v3",
        _ => "unknown",
    }
}

/// The value of a field of the first core. The case of names is ignored.
fn cpu_info_field<'a>(cpu_info: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = cpu_info.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
    Some(value.trim())
}

fn version_of_machine(machine: &str) -> String {
    let machine = machine.to_ascii_lowercase();
    if machine == "aarch64" {
        return "8".to_owned();
    }
    machine.strip_prefix("armv").and_then(|rest| rest.get(..1)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_architectures() {
        for (name, little, expected) in [
            ("x86_64", true, "amd64"),
            ("x86", true, "386"),
            ("aarch64", true, "arm64"),
            ("powerpc64", true, "ppc64le"),
            ("powerpc64", false, "ppc64"),
            ("riscv64", true, "riscv64"),
            ("s390x", false, "s390x"),
        ] {
            assert_eq!(go_architecture(name, little), expected);
        }
    }

    #[test]
    fn variants_of_arm() {
        let core = |version: &str, model: &str| {
            format!("processor\t: 0\nmodel name\t: {model}\nCPU architecture: {version}\n")
        };
        for (architecture, cpu_info, machine, expected) in [
            ("arm64", core("8", "Cortex-A72"), "", "v8"),
            ("arm", core("7", "ARMv7 Processor rev 4"), "", "v7"),
            ("arm", core("7", "ARMv6-compatible processor rev 7"), "", "v6"),
            ("arm", core("5TE", ""), "", "v5"),
            ("arm", core("8", ""), "", "v8"),
            ("arm", core("99", ""), "", "unknown"),
            ("arm64", String::new(), "aarch64", "v8"),
            ("arm", String::new(), "armv7l", "v7"),
            ("arm", String::new(), "armv6l", "v6"),
            ("arm", String::new(), "", "unknown"),
        ] {
            assert_eq!(arm_variant(architecture, &cpu_info, machine), expected, "{cpu_info} {machine}");
        }
    }
}
