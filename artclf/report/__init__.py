"""From figures to pictures and one page that a person enjoys reading."""
