"""Pages for people: server-rendered, in Chinese and English, readable and usable without script."""
