"""What an SLO file cannot know of itself: whether its SLOs have data, rules and traffic enough."""
