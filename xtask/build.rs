//! Hands the target triple to the code; cargo tells it to build scripts only.

fn main() -> Result<(), std::env::VarError> {
    let target = std::env::var("TARGET")?;
    let mut out = std::io::stdout().lock();
    let _ = std::io::Write::write_fmt(&mut out, format_args!("cargo::rustc-env=TARGET={target}\n"));
    Ok(())
}
