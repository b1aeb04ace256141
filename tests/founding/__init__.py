"""Each section of the page that the project grew from, from a notebook, judged by the clients of others."""
