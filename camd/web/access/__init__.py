"""Who may see what: keys, signed links, Cloudflare Access."""
