"""Programs of others read streams through cut connections, gaps, and a server that is started anew."""
