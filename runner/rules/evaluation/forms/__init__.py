"""The forms in which a night's report is read: words, Markdown, JUnit XML, CSV. Pure."""
