"""What leaves this machine by itself: tickets, notifications, published reports. It reads runs and no live target."""
