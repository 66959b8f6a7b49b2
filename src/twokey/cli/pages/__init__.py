"""Views of the API as pages for a terminal. They draw and decide nothing."""
