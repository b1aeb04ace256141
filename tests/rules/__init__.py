"""Every sentence of the rules on positions, gaps and slow readers, on both paths; `docs/rules.md` lists them."""
