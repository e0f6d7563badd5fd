"""Pages for people: HTML over the same services, queries and presenters as the JSON API."""
