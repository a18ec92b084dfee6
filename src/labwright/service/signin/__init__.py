"""How people sign in with a browser: sessions, passwords, invitations, OpenID Connect."""
